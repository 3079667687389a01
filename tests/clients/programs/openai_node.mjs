// The openai package for Node: chat, streams, tools and a JSON schema.

import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: `${process.env.POWER_URL}v1`,
  apiKey: process.env.POWER_TOKEN,
  maxRetries: 0
});
const hello = [{ role: 'user', content: 'Say hello.' }];
const question = [{ role: 'user', content: 'What is the weather in Oslo?' }];
const parameters = { type: 'object', properties: { city: { type: 'string', maxLength: 20 } }, required: ['city'] };
const getWeather = ({ city }) => `3 degrees in ${city}`;

function require(condition, found) {
  if (!condition) {
    throw new Error(JSON.stringify(found));
  }
}

const checks = {
  async chat() {
    const reply = await client.chat.completions.create({
      model: 'chat',
      messages: hello,
      max_tokens: 8
    });
    require(reply.choices[0].message.content, reply);
  },

  async stream() {
    const runner = client.chat.completions.stream({ model: 'chat', messages: hello, max_tokens: 8 });
    require(await runner.finalContent(), 'no content');
  },

  async run_tools() {
    const runner = client.chat.completions.runTools({
      model: 'caller',
      messages: question,
      temperature: 0,
      tools: [
        {
          type: 'function',
          function: { name: 'get_weather', parameters, parse: JSON.parse, function: getWeather }
        }
      ]
    });
    const text = await runner.finalContent();
    require(text.includes('3 degrees'), text);
  },

  async streamed_run_tools() {
    const runner = client.chat.completions.runTools({
      model: 'caller',
      messages: question,
      temperature: 0,
      stream: true,
      tools: [
        {
          type: 'function',
          function: { name: 'get_weather', parameters, parse: JSON.parse, function: getWeather }
        }
      ]
    });
    const text = await runner.finalContent();
    require(text.includes('3 degrees'), text);
  },

  async schema() {
    const reply = await client.chat.completions.create({
      model: 'chat',
      messages: hello,
      max_tokens: 200,
      response_format: { type: 'json_schema', json_schema: { name: 'city', schema: parameters } }
    });
    require(typeof JSON.parse(reply.choices[0].message.content).city === 'string', reply);
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
