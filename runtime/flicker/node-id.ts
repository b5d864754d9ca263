import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { flickerSettings } from '../../contract/flicker';
import { errorText } from '../core/errors';

/** Where Fargate and ECS agents tell a container about its task (task metadata endpoint version 4). */
const ECS_METADATA = 'ECS_CONTAINER_METADATA_URI_V4';
const METADATA_TIMEOUT_MS = 2000;
const taskId = z
  .looseObject({ TaskARN: z.string().regex(/\/[^/]+$/) })
  .transform(({ TaskARN }) => TaskARN.slice(TaskARN.lastIndexOf('/') + 1));

/** Whose files these are. */
export interface Node {
  readonly id: string;
  /** It lives no longer than its files: none of them is older than the program's first start on it. */
  readonly young: boolean;
}

/** The node that the settings name, else the default one. @throws Error when ECS does not tell */
export async function findNode(told: string | undefined, env: Environment): Promise<Node> {
  return { id: told ?? (await defaultNodeId(env)), young: told === undefined && Boolean(env[ECS_METADATA]) };
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Whose files these are: the task id on ECS, where log volumes live as long as the task, else the machine id, else the
 * host name.
 * @throws Error when ECS does not tell
 */
export async function defaultNodeId(env: Environment): Promise<string> {
  const metadata = env[ECS_METADATA];
  if (metadata) return await ecsTaskId(`${metadata}/task`);
  for (const file of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    const id = await readFile(file, 'utf8').then(
      (text) => text.trim(),
      () => '',
    );
    if (id) return id;
  }
  return hostname();
}

async function ecsTaskId(url: string): Promise<string> {
  const unknown = (reason: string) =>
    new Error(
      `the task id cannot be read from ${ECS_METADATA} (${reason}): the files of another node would be taken for these; ` +
        `start again, or set ${flickerSettings.nodeId.env}`,
    );
  const response = await fetch(url, { signal: AbortSignal.timeout(METADATA_TIMEOUT_MS) }).catch((error: unknown) => {
    throw unknown(errorText(causeOf(error)));
  });
  const parsed = taskId.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) throw unknown(`its answer, ${response.status}, names no task`);
  return parsed.data;
}

/** What `fetch` says is only that it failed. */
function causeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'cause' in error && error.cause ? error.cause : error;
}
