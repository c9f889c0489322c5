// The official `openai` package for Node.js, unchanged, through the gateway: the basics of each API, over every kind of
// provider. What the providers say is in ../stage/script.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const { JACKFIELD_URL, JACKFIELD_KEY, JACKFIELD_KINDS } = process.env;
const KINDS = JACKFIELD_KINDS.split(',');
const TEXT = 'The answer is 42.';
const CITIES = [{ city: 'Ghent' }, { city: 'Lille' }];
const messages = [{ role: 'user', content: 'What is the answer?' }];
const parameters = { type: 'object', properties: { city: { type: 'string' } } };
const schema = { type: 'object', properties: { answer: { type: 'integer' } }, required: ['answer'] };

const client = new OpenAI({ baseURL: `${JACKFIELD_URL}/v1`, apiKey: JACKFIELD_KEY, maxRetries: 0 });

for (const kind of KINDS) {
  const model = (id) => `${kind}-${id}`;

  test(`${kind}: chat completions`, async () => {
    const answer = await client.chat.completions.create({ model: model('ok'), messages });
    assert.equal(answer.choices[0].message.content, TEXT);
    assert.equal(answer.usage.total_tokens, 18);
    const stream = await client.chat.completions.create({ model: model('ok'), messages, stream: true });
    let said = '';
    for await (const chunk of stream) said += chunk.choices[0]?.delta?.content ?? '';
    assert.equal(said, TEXT);
    const tools = [{ type: 'function', function: { name: 'weather', parameters } }];
    const called = await client.chat.completions.create({ model: model('two-calls'), messages, tools });
    const calls = called.choices[0].message.tool_calls;
    assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments)), CITIES);
    const results = calls.map((call) => ({ role: 'tool', tool_call_id: call.id, content: 'rain' }));
    const second = [...messages, called.choices[0].message, ...results];
    const done = await client.chat.completions.create({ model: model('two-calls'), messages: second, tools });
    assert.equal(done.choices[0].message.content, TEXT);
  });

  test(`${kind}: responses`, async () => {
    const answer = await client.responses.create({ model: model('ok'), input: 'What is the answer?' });
    assert.equal(answer.output_text, TEXT);
    assert.equal(answer.status, 'completed');
    assert.equal(answer.usage.total_tokens, 18);
    const format = { type: 'json_schema', name: 'answer', schema, strict: true };
    const bound = await client.responses.create({ model: model('ok'), input: 'JSON', text: { format } });
    assert.deepEqual(JSON.parse(bound.output_text), { answer: 42 });
  });

  test(`${kind}: streamed responses`, async () => {
    const stream = client.responses.stream({ model: model('ok'), input: 'What is the answer?' });
    let said = '';
    stream.on('response.output_text.delta', (event) => (said += event.delta));
    const final = await stream.finalResponse();
    assert.equal(said, TEXT);
    assert.equal(final.output_text, TEXT);
  });

  test(`${kind}: responses with two calls at once, whole and streamed`, async () => {
    const tools = [{ type: 'function', name: 'weather', parameters, strict: false }];
    const input = [{ role: 'user', content: 'Where does it rain?' }];
    const asked = { model: model('two-calls'), input, tools };
    const whole = await client.responses.create(asked);
    const streamed = await client.responses.stream(asked).finalResponse();
    for (const answer of [whole, streamed]) {
      const calls = answer.output.filter((item) => item.type === 'function_call');
      assert.deepEqual(calls.map((call) => JSON.parse(call.arguments)), CITIES);
      const results = calls.map((call) => ({ type: 'function_call_output', call_id: call.call_id, output: 'rain' }));
      const done = await client.responses.create({ ...asked, input: [...input, ...answer.output, ...results] });
      assert.equal(done.output_text, TEXT);
    }
  });

  test(`${kind}: failures are the SDK's own`, async () => {
    const ways = {
      chat: (id, stream) => client.chat.completions.create({ model: model(id), messages, stream }),
      responses: (id, stream) => client.responses.create({ model: model(id), input: 'x', stream }),
    };
    const failures = [
      ['fails-400', OpenAI.BadRequestError],
      ['fails-401', OpenAI.InternalServerError],
      ['fails-429', OpenAI.RateLimitError],
      ['fails-500', OpenAI.InternalServerError],
      ['fails-503', OpenAI.InternalServerError],
    ];
    for (const ask of Object.values(ways)) {
      for (const [id, kind] of failures) {
        for (const stream of [false, true]) await assert.rejects(ask(id, stream), kind);
      }
    }
  });

  test(`${kind}: an answer that breaks off says so`, async () => {
    const chat = await client.chat.completions.create({ model: model('breaks'), messages, stream: true });
    await assert.rejects(async () => {
      for await (const chunk of chat) assert.ok(chunk);
    }, OpenAI.APIError);
    const events = [];
    const response = await client.responses.create({ model: model('breaks'), input: 'x', stream: true });
    for await (const event of response) events.push(event.type);
    assert.deepEqual(events.slice(-2), ['error', 'response.failed']);
    const helper = client.responses.stream({ model: model('breaks'), input: 'x' });
    // The event itself, which is no Error of the language's.
    await assert.rejects(helper.finalResponse(), (event) => /it broke/.test(event.message));
  });
}

test('embeddings', async () => {
  const answer = await client.embeddings.create({ model: 'openai-ok', input: ['a', 'b'] });
  assert.deepEqual(answer.data.map((entry) => [...entry.embedding]), [[0.5, -0.25, 0], [0.5, -0.25, 0]]);
  const short = await client.embeddings.create({ model: 'openai-ok', input: 'a', dimensions: 2, encoding_format: 'float' });
  assert.deepEqual(short.data[0].embedding, [0.5, -0.25]);
});

test('what would have to be kept is refused', async () => {
  const asked = { model: 'simulated', input: 'x', previous_response_id: 'resp_1' };
  await assert.rejects(client.responses.create(asked), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.deepEqual([error.code, error.param], ['unsupported_parameter', 'previous_response_id']);
    return true;
  });
});
