/** The JupyterLab extension. */

import { inlinePlugin } from './lab/inline/plugin.js';
import { modelsPlugin } from './lab/modelsPlugin.js';

export default [modelsPlugin, inlinePlugin];
