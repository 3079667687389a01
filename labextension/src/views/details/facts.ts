/** What is known about a model, as names and values. */

import type { Model, Parameters, UpstreamStatus } from '../../api/types.js';
import { cacheDetails, speedText } from '../activity.js';
import { formatBytes, formatCount, formatDuration, formatNumber } from '../format.js';
import { trans } from '../i18n.js';

/** A name and a value. */
export type Fact = readonly [string, string];

/** Return the facts about a model that are known, at `now` in Unix seconds. */
export function facts(model: Model, now: number): Fact[] {
  const { parameters = {}, source = {} } = model;
  const all: [string, string | undefined][] = [
    [trans.__('Format'), model.format],
    [trans.__('Family'), parameters.family],
    [trans.__('Quantization'), parameters.quantization],
    [trans.__('Parameters'), formatCount(parameters.parameter_count)],
    [trans.__('Size on disk'), model.size_bytes ? formatBytes(model.size_bytes) : ''],
    [trans.__('Context'), contextText(model)],
    [trans.__('Capabilities'), model.capabilities?.join(', ')],
    [trans.__('Defaults of its files'), parametersText(model.generation_defaults)],
    [trans.__('Memory'), memoryText(model)],
    [trans.__('Speed'), speedText(model)],
    [trans.__('Cache'), cacheDetails(model)],
    [trans.__('Device'), model.device],
    [trans.__('Engine'), model.engine],
    [trans.__('Unloads'), expiryText(model, now)],
    [trans.__('File'), source.path],
    [trans.__('Reference'), source.reference],
    [trans.__('Revision'), source.revision],
    [trans.__('Shared home'), source.shared_home],
    [trans.__('Upstream'), upstreamText(model)],
    [trans.__('SHA-256'), model.sha256]
  ];
  return all.filter((fact): fact is [string, string] => Boolean(fact[1]));
}

function contextText({ context_length: trained, num_ctx: loaded }: Model): string {
  const parts = [];
  if (trained) {
    parts.push(trans.__('%1 tokens trained', formatNumber(trained)));
  }
  if (loaded) {
    parts.push(trans.__('%1 loaded', formatNumber(loaded)));
  }
  return parts.join(', ');
}

function memoryText({ memory_bytes: total, gpu_memory_bytes: gpu, memory }: Model): string {
  if (!total) {
    return '';
  }
  const parts = [formatBytes(total)];
  if (gpu) {
    parts.push(trans.__('%1 of it on GPUs', formatBytes(gpu)));
  }
  if (memory !== undefined) {
    parts.push(partsText(memory));
  }
  return parts.join(', ');
}

/** Return "weights 96.6 MB, cache 180 MB, buffers 30.1 MB". */
export function partsText(sizes: { weights: number; cache: number; buffers: number }): string {
  return [
    trans.__('weights %1', formatBytes(sizes.weights)),
    trans.__('cache %1', formatBytes(sizes.cache)),
    trans.__('buffers %1', formatBytes(sizes.buffers))
  ].join(', ');
}

function expiryText(model: Model, now: number): string {
  if (model.pinned) {
    return trans.__('never (pinned)');
  }
  return model.expires_at === undefined
    ? ''
    : trans.__('in %1', formatDuration(model.expires_at - now));
}

/** Return "big · http://a/v1", or all servers with their states: "big · http://a/v1: failed". */
function upstreamText({ upstream, upstreams }: Model): string {
  if (upstream === undefined) {
    return '';
  }
  const servers = upstreams?.map(serverText) ?? [upstream.base_url].flat();
  return `${upstream.model} · ${servers.join(' · ')}`;
}

function serverText({ base_url: url, state, requests_running: running }: UpstreamStatus): string {
  const states = {
    unknown: trans.__('not asked yet'),
    available: trans.__('available'),
    busy: trans.__('busy'),
    failed: trans.__('failed')
  };
  const text = `${url}: ${states[state]}`;
  return running ? `${text}, ${trans.__('%1 running', formatNumber(running))}` : text;
}

/** Return parameters as "temperature=0.6, top_k=20"; long values are cut. */
export function parametersText(parameters: Parameters | undefined): string {
  return Object.entries(parameters ?? {})
    .map(([name, value]) => `${name}=${shortened(JSON.stringify(value))}`)
    .join(', ');
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
