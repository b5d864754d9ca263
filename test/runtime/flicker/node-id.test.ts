import { createServer } from 'node:http';
import { listen } from '../../../dev/vendors/listen';
import { defaultNodeId } from '../../../runtime/flicker/node-id';

const ask = async (status: number, body: string) => {
  const paths: string[] = [];
  const server = await listen(
    createServer((request, response) => {
      paths.push(request.url ?? '');
      response.writeHead(status).end(body);
    }),
  );
  const id = await defaultNodeId({ ECS_CONTAINER_METADATA_URI_V4: `${server.origin}/v4/abc` }).catch(
    (error: unknown) => error,
  );
  await server.stop();
  return { id, paths };
};

test('on ECS it is the id of the task', async () => {
  const arn = 'arn:aws:ecs:eu-central-1:1:task/cluster/0f1e2d';
  expect(await ask(200, JSON.stringify({ TaskARN: arn, Family: 'x' }))).toEqual({
    id: '0f1e2d',
    paths: ['/v4/abc/task'],
  });
});

test.each([
  [500, 'secret-page'],
  [200, '{"Family":"secret-page"}'],
  [200, '{"TaskARN":"task/"}'],
])('on ECS nothing is guessed when the answer is %d %s', async (status, body) => {
  const { id } = await ask(status, body);
  expect(String(id)).toMatch(
    /cannot be read from ECS_CONTAINER_METADATA_URI_V4 \(its answer, \d+, names no task\): .* set FLICKER_NODE_ID/,
  );
  expect(String(id)).not.toContain('secret');
});

test('on ECS nothing is guessed when nobody answers', async () => {
  await expect(defaultNodeId({ ECS_CONTAINER_METADATA_URI_V4: 'http://127.0.0.1:9/v4' })).rejects.toThrow(
    /ECS_CONTAINER_METADATA_URI_V4 \(.*(ECONNREFUSED|bad port)/,
  );
});

test('elsewhere it is a name of this machine, always the same', async () => {
  const id = await defaultNodeId({});
  expect(id).toMatch(/^\S+$/);
  expect(await defaultNodeId({})).toBe(id);
});
