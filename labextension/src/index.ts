/** The JupyterLab extension. */

import { modelsPlugin } from './lab/modelsPlugin.js';

export default [modelsPlugin];
