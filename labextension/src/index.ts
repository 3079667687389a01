/** The JupyterLab extension. */

import { assistantPlugin } from './lab/assistant/plugin.js';
import { codePlugin } from './lab/code/codePlugin.js';
import { inlinePlugin } from './lab/inline/plugin.js';
import { contextPlugin } from './lab/contextPlugin.js';
import { modelsPlugin } from './lab/modelsPlugin.js';

export default [contextPlugin, modelsPlugin, assistantPlugin, codePlugin, inlinePlugin];
