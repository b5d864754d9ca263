import { once } from 'node:events';
import { createServer } from 'node:http';
import type { TaskDefinition } from './definition';
import type { TaskState } from './task';

/** The part of the ECS task metadata endpoint, version 4, that programs ask for who they are. */
export interface MetadataServer {
  url(taskId: string, container: string): string;
  close(): void;
}

export interface MetadataSource {
  readonly cluster: string;
  definition(): TaskDefinition;
  task(id: string): TaskState | undefined;
}

/** Serves `GET /v4/<task>/<container>` and `…/task` on loopback. */
export async function serveMetadata(source: MetadataSource): Promise<MetadataServer> {
  const server = createServer((request, response) => {
    const [, , id = '', container = '', part] = (request.url ?? '').split('/');
    const task = source.task(id);
    const body = task && (part === 'task' ? describeTask(task, source) : describeContainer(task, container, source));
    response.writeHead(body ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? { error: 'no such task or container' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a loopback socket has no port');
  return {
    url: (taskId, container) => `http://127.0.0.1:${address.port}/v4/${taskId}/${container}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function describeTask(task: TaskState, source: MetadataSource) {
  const { family, revision, containers } = source.definition();
  return {
    Cluster: source.cluster,
    TaskARN: task.arn,
    Family: family,
    Revision: revision,
    DesiredStatus: task.status === 'STOPPING' || task.status === 'STOPPED' ? 'STOPPED' : 'RUNNING',
    KnownStatus: task.status,
    LaunchType: 'FARGATE',
    Containers: containers.map(({ name }) => describeContainer(task, name, source)),
  };
}

function describeContainer(task: TaskState, name: string, source: MetadataSource) {
  const state = task.containers[name];
  const definition = source.definition().containers.find((container) => container.name === name);
  return (
    state && definition && { Name: name, Image: definition.image, KnownStatus: state.status, ExitCode: state.exitCode }
  );
}
