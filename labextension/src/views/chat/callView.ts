/** A call of a function in an answer: its arguments and its result, folded, and what it is doing. */

import { h, setText } from '../dom.js';
import { trans } from '../i18n.js';
import { indented } from './jsonText.js';
import { type Call, callText } from './messageText.js';
import type { CallState } from './toolRunner.js';
import { visible } from './visibleText.js';

export class CallView {
  private readonly line = h('code', { dir: 'auto' });
  private readonly state = h('span', { class: 'a3s-quiet a3s-call-state' });
  private readonly summary = h('summary', {}, this.line, ' ', this.state);
  private readonly input = h('pre', { dir: 'auto', tabindex: '0' });
  private readonly resultTitle = h('div', { class: 'a3s-quiet' }, trans.__('Result'));
  private readonly result = h('pre', { dir: 'auto', tabindex: '0' });
  private readonly question = h('div', { class: 'a3s-call-question' });
  readonly element = h(
    'div',
    { class: 'a3s-call' },
    h(
      'details',
      { class: 'a3s-folded' },
      this.summary,
      h('div', { class: 'a3s-quiet' }, trans.__('Arguments')),
      this.input,
      this.resultTitle,
      this.result
    ),
    this.question
  );

  /** `result` is null before there is one, and `question` asks the user something about the call. */
  update(
    call: Call,
    result: string | null,
    state: CallState | null,
    question: HTMLElement | null
  ): void {
    setText(this.line, visible(callText(call)));
    setText(this.input, visible(indented(call.arguments)));
    setText(this.result, result === null ? '' : indented(result));
    this.result.hidden = this.resultTitle.hidden = result === null;
    setText(this.state, state === null ? '' : stateText(state));
    this.state.dataset['state'] = state ?? '';
    if (this.question.firstChild !== question) {
      if (this.question.contains(document.activeElement)) {
        this.summary.focus(); // what had the focus is gone
      }
      this.question.replaceChildren(...(question === null ? [] : [question]));
    }
  }
}

function stateText(state: CallState): string {
  const texts: Readonly<Record<CallState, string>> = {
    asking: trans.__('waiting for you'),
    running: trans.__('running…'),
    done: trans.__('done'),
    failed: trans.__('failed'),
    refused: trans.__('not allowed')
  };
  return texts[state];
}
