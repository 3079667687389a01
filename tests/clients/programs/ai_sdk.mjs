// Vercel's AI SDK: text, streams, tools and objects with each of its providers for these APIs.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const baseURL = `${process.env.POWER_URL}v1`;
const apiKey = process.env.POWER_TOKEN;
const openai = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({
  name: 'power',
  baseURL,
  apiKey,
  includeUsage: true,
  supportsStructuredOutputs: true
});
const anthropic = createAnthropic({ baseURL, apiKey });

const question = 'What is the weather in Oslo?';
const few = { maxOutputTokens: 8, maxRetries: 0 };
const agent = {
  prompt: question,
  temperature: 0,
  maxOutputTokens: 100,
  maxRetries: 0,
  stopWhen: stepCountIs(3),
  tools: {
    get_weather: tool({
      description: 'Return the weather of a city.',
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => `3 degrees in ${city}`
    })
  }
};
const animal = z.object({ kind: z.enum(['cat', 'dog']), legs: z.literal(4) });

function require(condition, found) {
  if (!condition) {
    throw new Error(JSON.stringify(found));
  }
}

/** The checks of one provider: `model` makes a model from a name. */
function checksOf(provider, model) {
  return {
    async [`${provider}: text`]() {
      const reply = await generateText({ model: model('chat'), prompt: 'Say hello.', ...few });
      require(reply.text && reply.usage.outputTokens <= 8, reply);
    },

    async [`${provider}: stream`]() {
      const errors = [];
      const reply = streamText({
        model: model('chat'),
        prompt: 'Say hello.',
        onError: ({ error }) => errors.push(String(error)),
        ...few
      });
      let text = '';
      for await (const part of reply.textStream) {
        text += part;
      }
      require(text && errors.length === 0, errors);
      require((await reply.usage).outputTokens <= 8, await reply.usage);
    },

    async [`${provider}: tools`]() {
      const reply = await generateText({ model: model('caller'), ...agent });
      require(reply.text.includes('3 degrees') && reply.steps.length === 2, reply.steps);
    },

    async [`${provider}: streamed tools`]() {
      const reply = streamText({ model: model('caller'), ...agent });
      let text = '';
      for await (const part of reply.textStream) {
        text += part;
      }
      require(text.includes('3 degrees'), text);
    },

    async [`${provider}: object`]() {
      const reply = await generateObject({
        model: model('chat'),
        schema: animal,
        prompt: 'Describe a cat.',
        maxOutputTokens: 200,
        maxRetries: 0
      });
      require(reply.object.legs === 4, reply);
    }
  };
}

const checks = {
  ...checksOf('openai', name => openai(name)),
  ...checksOf('openai-compatible', name => compatible(name)),
  ...checksOf('anthropic', name => anthropic(name)),

  async embeddings() {
    const model = compatible.textEmbeddingModel('embedder');
    const reply = await embedMany({ model, values: ['one', 'two'], maxRetries: 0 });
    require(reply.embeddings.length === 2 && reply.embeddings[0].length > 1, reply);
  }
};

for (const [check, run] of Object.entries(checks)) {
  const began = Date.now();
  let problem = null;
  try {
    await run();
  } catch (error) {
    problem = String(error.stack);
  }
  console.log(JSON.stringify({ check, problem, seconds: (Date.now() - began) / 1000 }));
}
