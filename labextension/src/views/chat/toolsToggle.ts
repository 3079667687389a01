/** The button that lets the model of a conversation call tools. */

import type { Model } from '../../api/types.js';
import { button, setText } from '../dom.js';
import { trans } from '../i18n.js';

export class ToolsToggle {
  private isOn = false;
  readonly element = button(trans.__('Tools'), () => this.onToggle(!this.isOn), {
    class: 'a3s-button a3s-tools-toggle',
    'aria-label': trans.__('Notebook tools'),
    'aria-pressed': 'false'
  });

  constructor(private readonly onToggle: (isOn: boolean) => void) {}

  /** `refusal` says why they cannot be turned on; '' if they can. */
  update(isOn: boolean, refusal: string): void {
    this.isOn = isOn;
    setText(this.element, isOn ? trans.__('✓ Tools') : trans.__('Tools'));
    this.element.setAttribute('aria-pressed', String(isOn));
    this.element.disabled = !isOn && refusal !== '';
    this.element.title = refusal || explanation(isOn);
  }
}

/** Return why a model cannot call tools; '' if it can, or if only its own server knows. */
export function toolsRefusal(
  model: Pick<Model, 'id' | 'format' | 'capabilities'> | undefined
): string {
  if (model === undefined) {
    return trans.__('Choose a model first.');
  }
  return model.format === 'remote' || model.capabilities?.includes('tools')
    ? ''
    : trans.__('%1 was not made to call tools: its chat template has none.', model.id);
}

function explanation(isOn: boolean): string {
  return isOn
    ? trans.__('The model may ask to read and change notebooks. Click to turn it off.')
    : trans.__('Let the model ask to read and change notebooks. Each call waits for you.');
}
