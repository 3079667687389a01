/** Ask whether a call of a model may run, with what it would do. */

import { messageOf } from '../../api/transport.js';
import { button, h, setText, uniqueId } from '../dom.js';
import { trans } from '../i18n.js';
import { type DiffLine, lineDiff } from './lineDiff.js';
import type { CallQuestions, Decision } from './toolLoop.js';
import type { ChatTool, PreparedCall } from './tools.js';
import { visible } from './visibleText.js';

/** Milliseconds before a question can be answered: a double click must not answer the next one. */
const PAUSE = 500;

/** Lines of code that are shown without scrolling, about. */
const LONG = 12;

export const callQuestions: CallQuestions = { askCall, askRounds, offerInterrupt };

function askCall(
  tool: ChatTool,
  call: PreparedCall,
  decide: (decision: Decision) => void
): HTMLElement {
  const id = uniqueId();
  const reason = h('input', {
    type: 'text',
    dir: 'auto',
    class: 'a3s-call-reason',
    'aria-label': trans.__('Reason for the model'),
    placeholder: trans.__('Reason (optional)')
  });
  const refuse = () => decide({ kind: 'refuse', reason: reason.value.trim() });
  reason.addEventListener('keydown', event => {
    if (event.key === 'Enter' && !event.isComposing) {
      event.preventDefault();
      refuse();
    }
  });
  const where = call.scope === '' ? '' : ` (${visible(call.scope)})`;
  const always = trans.__(
    'Do not ask again about %1%2 in this chat, until the page is reloaded',
    tool.name,
    where
  );
  const warning = call.warning ?? '';
  return h(
    'div',
    { class: 'a3s-call-asking', role: 'group', 'aria-labelledby': id },
    h('div', { id, class: 'a3s-call-summary', dir: 'auto' }, summaryOf(call)),
    ...(warning === '' ? [] : [h('div', { class: 'a3s-call-warning' }, warning)]),
    ...codeView(call),
    h(
      'div',
      { class: 'a3s-row' },
      afterPause(
        button(trans.__('Allow'), () => decide({ kind: 'allow' }), {
          class: 'a3s-button a3s-primary'
        })
      ),
      ...(warning === ''
        ? [
            afterPause(
              button(trans.__('Allow for this chat'), () => decide({ kind: 'always' }), {
                title: always
              })
            )
          ]
        : []),
      button(trans.__('Refuse'), refuse),
      reason
    )
  );
}

function afterPause(element: HTMLButtonElement): HTMLButtonElement {
  element.disabled = true;
  setTimeout(() => {
    element.disabled = false;
  }, PAUSE);
  return element;
}

/** Return what a call would do, with the length of code that has to be scrolled. */
function summaryOf({ summary, code = '' }: PreparedCall): string {
  const lines = code.split('\n').length;
  const text = visible(summary).replace(/\s+/g, ' ');
  return lines > LONG ? trans.__('%1 (%2 lines)', text, lines) : text;
}

function askRounds(rounds: number, decide: (goesOn: boolean) => void): HTMLElement {
  const id = uniqueId();
  const text = trans.__('The model has called tools in %1 answers in a row. Go on?', rounds);
  return h(
    'div',
    { class: 'a3s-call-asking', role: 'group', 'aria-labelledby': id },
    h('div', { id, class: 'a3s-call-summary' }, text),
    h(
      'div',
      { class: 'a3s-row' },
      button(trans.__('Go on'), () => decide(true), { class: 'a3s-button a3s-primary' }),
      button(trans.__('End here'), () => decide(false))
    )
  );
}

function offerInterrupt(interrupt: () => Promise<void>): HTMLElement {
  const note = h(
    'span',
    { class: 'a3s-quiet', role: 'status' },
    trans.__('Stop ends the answer, but the cell keeps running.')
  );
  const run = () => void interrupt().catch((error: unknown) => setText(note, messageOf(error)));
  return h('div', { class: 'a3s-row' }, button(trans.__('Interrupt the kernel'), run), note);
}

/** Return code as it is, or as the changes that it makes. */
function codeView({ code, replaced }: PreparedCall): HTMLElement[] {
  if (code === undefined) {
    return [];
  }
  const attributes = { class: 'a3s-call-code', dir: 'ltr', tabindex: '0' };
  if (replaced === undefined) {
    return [h('pre', { ...attributes, 'aria-label': trans.__('Code') }, visible(code))];
  }
  const lines = lineDiff(visible(replaced), visible(code)).map(diffLine);
  return [h('pre', { ...attributes, 'aria-label': trans.__('Changes') }, ...lines)];
}

function diffLine({ kind, text }: DiffLine): HTMLElement {
  const sign = { same: ' ', removed: '-', added: '+' }[kind];
  return h('span', { class: `a3s-diff-line a3s-${kind}` }, `${sign} ${text}\n`);
}
