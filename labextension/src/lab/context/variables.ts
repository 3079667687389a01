/** Ask the kernel about its variables. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';

import source from '../../../../a3s_power_jupyter/display/variables.py' with { type: 'text' };
import { trans } from '../../views/i18n.js';
import { type Listing, listingFrom } from './variableText.js';

/** Milliseconds to wait for a kernel that is busy. */
const PATIENCE = 2_000;

/** Milliseconds to wait for the reply of an idle kernel. It looks at values for one second. */
const REPLY_TIME = 10_000;

/**
 * Return the variables of a kernel, or those with `names`, also if they may be secrets.
 *
 * Rejects with a reason to show if the kernel is busy or cannot tell.
 */
export async function readVariables(
  session: ISessionContext,
  names: readonly string[] | null = null
): Promise<Listing> {
  const kernel = session.session?.kernel;
  if (!kernel) {
    throw new Error(trans.__('There is no kernel. Start one to attach its variables.'));
  }
  await idle(kernel);
  const { language_info: language } = await within(kernel.info, REPLY_TIME);
  if (language.name !== 'python') {
    throw new Error(
      trans.__(
        'Only variables of Python kernels can be attached. This kernel runs %1.',
        language.name
      )
    );
  }
  return listingFrom(await evaluate(kernel, expression(names)));
}

/** Wait until a kernel is idle, for a moment. A request to a busy one would wait for its cells. */
async function idle(kernel: Kernel.IKernelConnection): Promise<void> {
  const states = { dead: true, terminating: true };
  if (kernel.status in states) {
    throw new Error(trans.__('The kernel is not running. Restart it to attach its variables.'));
  }
  if (kernel.status === 'idle') {
    return;
  }
  let stop: () => void = () => undefined;
  const becomesIdle = new Promise<void>(resolve => {
    const listener = (_: unknown, status: Kernel.Status) => status === 'idle' && resolve();
    kernel.statusChanged.connect(listener);
    stop = () => kernel.statusChanged.disconnect(listener);
  });
  try {
    await within(becomesIdle, PATIENCE);
  } finally {
    stop();
  }
}

/** Evaluate an expression beside the user's cells. It is not in the history and counts no cell. */
async function evaluate(kernel: Kernel.IKernelConnection, code: string): Promise<unknown> {
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false,
    user_expressions: { listing: code }
  });
  try {
    const { content } = await within(future.done, REPLY_TIME);
    const result = content.status === 'ok' ? content.user_expressions['listing'] : undefined;
    const { data } = (result ?? {}) as { data?: Record<string, unknown> };
    return data?.['application/json'];
  } finally {
    future.dispose();
  }
}

/** Return the expression that runs the file in a namespace of its own. */
function expression(names: readonly string[] | null): string {
  const code = JSON.stringify(source); // a literal of Python as well
  const listed = names === null ? 'None' : JSON.stringify(names);
  return (
    `(lambda b, own: (b.exec(${code}, own), own["listing"](b.globals(), ${listed}))[1])` +
    '(__import__("builtins"), {"__name__": "a3s_power_variables"})'
  );
}

async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Error(
            trans.__(
              'The kernel is busy. Ask without its variables, or wait until it has finished.'
            )
          )
        ),
      milliseconds
    );
  });
  try {
    return await Promise.race([promise, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
