/** The variables of a kernel as entries of the menu. */

import { InputDialog, type ISessionContext } from '@jupyterlab/apputils';

import type { Attachment } from '../../views/chat/attachment.js';
import type { ContextSource } from '../../views/chat/context.js';
import { trans } from '../../views/i18n.js';
import { readVariables } from './variables.js';
import { type Listing, variableLine, variablesAttachment } from './variableText.js';

/** Return the entries for a kernel. `code` returns the source of the active cell. */
export function variableSources(session: ISessionContext, code: () => string): ContextSource[] {
  return [
    {
      id: 'variables',
      kind: 'variable',
      label: trans.__('All variables'),
      isEnabled: () => session.session?.kernel !== undefined,
      collect: async tokens => {
        const listing = await readVariables(session);
        if (listing.variables.length === 0) {
          throw new Error(emptyText(listing));
        }
        return [variablesAttachment(listing, code(), tokens)];
      }
    },
    {
      id: 'choose-variables',
      kind: 'variable',
      label: trans.__('Choose variables…'),
      isEnabled: () => session.session?.kernel !== undefined,
      collect: tokens => chosenVariables(session, tokens)
    }
  ];
}

function emptyText({ secrets }: Listing): string {
  return secrets.length === 0
    ? trans.__('The kernel has no variables yet. Run a cell that defines some.')
    : trans.__('Every variable may be a secret. Choose those to attach.');
}

/** Let the user choose, also of those that may be secrets. */
async function chosenVariables(session: ISessionContext, tokens: number): Promise<Attachment[]> {
  const { variables, secrets } = await readVariables(session);
  const labels = new Map([
    ...variables.map(variable => [variableLine(variable), variable.name] as const),
    ...secrets.map(name => [trans.__('%1: may be a secret', name), name] as const)
  ]);
  if (labels.size === 0) {
    throw new Error(emptyText({ variables, secrets, more: 0 }));
  }
  const { value } = await InputDialog.getMultipleItems({
    title: trans.__('Variables to attach'),
    items: [...labels.keys()],
    defaults: []
  });
  const names = (value ?? []).flatMap(label => labels.get(label) ?? []);
  if (names.length === 0) {
    return [];
  }
  return [variablesAttachment(await readVariables(session, names), '', tokens)];
}
