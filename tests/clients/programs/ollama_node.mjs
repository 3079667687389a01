// The ollama package for Node: chats, streams, tools, structured output, embeddings and models.

import { Ollama } from 'ollama';

const client = new Ollama({
  host: process.env.POWER_URL,
  headers: { Authorization: `Bearer ${process.env.POWER_TOKEN}` }
});
const hello = [{ role: 'user', content: 'Say hello.' }];
const few = { num_predict: 8 };
const parameters = { type: 'object', properties: { city: { type: 'string', maxLength: 20 } }, required: ['city'] };
const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }];

function require(condition, found) {
  if (!condition) {
    throw new Error(JSON.stringify(found));
  }
}

const checks = {
  async chat() {
    const reply = await client.chat({ model: 'chat', messages: hello, options: few });
    require(reply.message.content && reply.eval_count <= 8, reply);
  },

  async stream() {
    let text = '';
    for await (const part of await client.chat({ model: 'chat', messages: hello, options: few, stream: true })) {
      text += part.message.content;
    }
    require(text, 'no text');
  },

  async tools() {
    const messages = [{ role: 'user', content: 'What is the weather in Oslo?' }];
    const options = { temperature: 0 };
    let reply = await client.chat({ model: 'caller', messages, tools, options });
    const [call] = reply.message.tool_calls;
    const content = `3 degrees in ${call.function.arguments.city}`;
    messages.push(reply.message, { role: 'tool', content, tool_name: call.function.name });
    reply = await client.chat({ model: 'caller', messages, tools, options });
    require(reply.message.content.includes('3 degrees'), reply);
  },

  async structured() {
    const options = { num_predict: 200 };
    const reply = await client.chat({ model: 'chat', messages: hello, format: parameters, options });
    require(typeof JSON.parse(reply.message.content).city === 'string', reply);
  },

  async embeddings() {
    const reply = await client.embed({ model: 'embedder', input: ['one', 'two'] });
    require(reply.embeddings.length === 2, reply);
  },

  async models() {
    const { models } = await client.list();
    require(models.some(model => model.name === 'chat:latest'), models);
    const shown = await client.show({ model: 'chat' });
    require(shown.capabilities.includes('completion'), shown);
  },

  async abort() {
    const parts = await client.chat({
      model: 'chat',
      messages: [{ role: 'user', content: 'Tell a long story.' }],
      stream: true,
      options: { num_predict: 3000 }
    });
    try {
      for await (const part of parts) {
        require(part.message, part);
        parts.abort();
      }
    } catch (error) {
      require(error.name === 'AbortError', error);
    }
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
