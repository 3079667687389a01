/** Runs the calls of a chat one after another, each after the user has allowed it. */

import { messageOf } from '../../api/transport.js';
import type { Message } from './chatCompletion.js';
import { readArguments } from './toolArguments.js';
import type { CallState, CallTurn, ToolCall, ToolRunner } from './toolRunner.js';
import type { ChatTool, PreparedCall } from './tools.js';
import { BEGUN } from './turns.js';

/** Answers with calls after which the user is asked whether the model may go on. */
export const MAX_ROUNDS = 10;

/** Calls of one answer that are made. More would be hard to follow. */
export const MAX_CALLS = 16;

/** Most characters of a result, about 3,000 tokens. */
export const MAX_RESULT = 12_000;

/** What the user says about a call. */
export type Decision =
  { readonly kind: 'allow' | 'always' } | { readonly kind: 'refuse'; readonly reason: string };

/** Shows questions of the loop. Each method returns the element with the question. */
export interface CallQuestions {
  /** Ask whether a call may run. */
  askCall(tool: ChatTool, call: PreparedCall, decide: (decision: Decision) => void): HTMLElement;
  /** Ask whether the model may go on after as many answers with calls. */
  askRounds(rounds: number, decide: (goesOn: boolean) => void): HTMLElement;
  /** Offer to interrupt a call that is running. */
  offerInterrupt(interrupt: () => Promise<void>): HTMLElement;
}

/** The outcome of a call, with the text for the model. */
interface Outcome {
  readonly state: CallState;
  readonly text: string;
}

class Stopped extends Error {}

/** The calls of one conversation. What the user allows for the chat is forgotten with the page. */
export class ToolLoop implements ToolRunner {
  private readonly states = new Map<string, CallState>();
  private readonly listeners = new Set<() => void>();
  /** Pairs of a tool and a scope for which the user is not asked any more. */
  private readonly allowed = new Set<string>();
  private question: { readonly id: string; readonly element: HTMLElement } | null = null;

  constructor(
    private readonly tools: () => readonly ChatTool[],
    private readonly questions: CallQuestions
  ) {}

  definitions(names: readonly string[]): readonly object[] {
    return this.named(names).map(({ definition }) => definition);
  }

  stateOf(id: string): CallState | null {
    return this.states.get(id) ?? null;
  }

  questionOf(id: string): HTMLElement | null {
    return this.question?.id === id ? this.question.element : null;
  }

  get isActive(): boolean {
    return [...this.states.values()].some(state => state === 'asking' || state === 'running');
  }

  forgetAllowed(): void {
    this.allowed.clear();
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async run(calls: readonly ToolCall[], turn: CallTurn, signal: AbortSignal): Promise<boolean> {
    try {
      const [first] = calls;
      if (first !== undefined && !(await this.mayGoOn(first.id, turn.round, signal))) {
        return false;
      }
      for (const [index, call] of calls.entries()) {
        await this.runCall(call, index, turn, signal);
      }
      return true;
    } catch (error) {
      if (error instanceof Stopped) {
        return false;
      }
      throw error;
    } finally {
      this.forgetUnfinished(calls);
    }
  }

  /** Run one call. Throws `Stopped` when the answer is stopped. */
  private async runCall(
    call: ToolCall,
    index: number,
    turn: CallTurn,
    signal: AbortSignal
  ): Promise<void> {
    let outcome: Outcome;
    try {
      if (index >= MAX_CALLS) {
        throw new Error(`An answer may have ${MAX_CALLS} calls. Make others in the next one.`);
      }
      outcome = await this.outcomeOf(call, turn, signal);
    } catch (error) {
      if (error instanceof Stopped) {
        throw error;
      }
      outcome = { state: 'failed', text: `Error: ${messageOf(error)}` };
    }
    this.states.set(call.id, outcome.state);
    turn.onResult(resultOf(call.id, bounded(outcome.text)));
    this.notify();
  }

  private async outcomeOf(call: ToolCall, turn: CallTurn, signal: AbortSignal): Promise<Outcome> {
    const tools = this.named(turn.names());
    const tool = tools.find(({ name }) => name === call.name);
    if (tool === undefined) {
      const names = tools.map(({ name }) => name).join(', ');
      throw new Error(`There is no tool with this name. The tools are: ${names}.`);
    }
    const parameters = readArguments(call.arguments, tool.definition.function.parameters);
    const prepared = await unlessStopped(tool.prepare(parameters), signal);
    const decision = await this.decide(call.id, tool, prepared, signal);
    if (decision.kind === 'refuse') {
      const reason = decision.reason === '' ? '.' : `: ${decision.reason}`;
      return { state: 'refused', text: `The user did not allow this call${reason}` };
    }
    this.states.set(call.id, 'running');
    turn.onResult(resultOf(call.id, BEGUN));
    return { state: 'done', text: await this.execute(call.id, prepared, signal) };
  }

  /** Run a call that is allowed, and offer to interrupt it meanwhile. */
  private async execute(id: string, call: PreparedCall, signal: AbortSignal): Promise<string> {
    const offer =
      call.interrupt && this.questions.offerInterrupt(async () => await call.interrupt?.());
    this.show(id, offer ?? null);
    try {
      return await unlessStopped(call.run(signal), signal);
    } finally {
      this.show(id, null);
    }
  }

  /** Return what the user says about a call, or has said about all such calls of this chat. */
  private async decide(
    id: string,
    tool: ChatTool,
    call: PreparedCall,
    signal: AbortSignal
  ): Promise<Decision> {
    const key = JSON.stringify([tool.name, call.scope]);
    if (call.warning === undefined && this.allowed.has(key)) {
      return { kind: 'allow' };
    }
    this.states.set(id, 'asking');
    const decision = await this.ask<Decision>(
      id,
      decide => this.questions.askCall(tool, call, decide),
      signal
    );
    if (decision.kind === 'always') {
      this.allowed.add(key);
    }
    return decision;
  }

  private async mayGoOn(id: string, round: number, signal: AbortSignal): Promise<boolean> {
    if (round === 0 || round % MAX_ROUNDS !== 0) {
      return true;
    }
    this.states.set(id, 'asking');
    return this.ask<boolean>(id, decide => this.questions.askRounds(round, decide), signal);
  }

  private async ask<T>(
    id: string,
    create: (decide: (value: T) => void) => HTMLElement,
    signal: AbortSignal
  ): Promise<T> {
    try {
      const answer = new Promise<T>(resolve => this.show(id, create(resolve)));
      return await unlessStopped(answer, signal);
    } finally {
      this.show(id, null);
    }
  }

  private show(id: string, element: HTMLElement | null): void {
    this.question = element === null ? null : { id, element };
    this.notify();
  }

  /** Return the tools with these names. Names that several tools have are none. */
  private named(names: readonly string[]): ChatTool[] {
    const tools = this.tools();
    const isSingle = (name: string) => tools.filter(tool => tool.name === name).length === 1;
    return tools.filter(({ name }) => names.includes(name) && isSingle(name));
  }

  /** Forget the states of calls that were stopped. */
  private forgetUnfinished(calls: readonly ToolCall[]): void {
    for (const { id } of calls) {
      if (this.states.get(id) === 'asking' || this.states.get(id) === 'running') {
        this.states.delete(id);
      }
    }
    this.notify();
  }

  private notify(): void {
    for (const listener of this.listeners) {
      listener();
    }
  }
}

function resultOf(id: string, content: string): Message {
  return { role: 'tool', tool_call_id: id, content };
}

/** Return a result that is not too long: its beginning and its end. */
export function bounded(text: string): string {
  const whole = text.replace(/\p{Cs}/gu, '\ufffd'); // halves of characters, which no request can have
  if (whole.length <= MAX_RESULT) {
    return whole;
  }
  const start = whole.slice(0, (MAX_RESULT * 2) / 3);
  const end = whole.slice(-MAX_RESULT / 3);
  const left = whole.length - start.length - end.length;
  return `${start}\n[${left} characters are left out here]\n${end}`;
}

/** Wait for a promise. Throws `Stopped` as soon as `signal` is aborted. */
async function unlessStopped<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new Stopped());
  });
  promise.catch(() => undefined); // may fail when nobody waits any more
  if (signal.aborted) {
    throw new Stopped();
  }
  signal.addEventListener('abort', stop);
  try {
    return await Promise.race([promise, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
