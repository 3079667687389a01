/** The JupyterLab extension. */

import { inlinePlugin } from './lab/inline/plugin.js';
import { contextPlugin } from './lab/contextPlugin.js';
import { modelsPlugin } from './lab/modelsPlugin.js';

export default [contextPlugin, modelsPlugin, inlinePlugin];
