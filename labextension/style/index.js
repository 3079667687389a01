import './base.css';
import './saved.css';
import './views.css';
import './code.css';
