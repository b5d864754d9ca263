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

/**
 * Whose files these are: the task id on ECS, where log volumes live as long as the task, else the machine id, else the
 * host name.
 * @throws Error when ECS does not tell
 */
export async function defaultNodeId(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const metadata = env[ECS_METADATA];
  if (metadata) {
    try {
      const response = await fetch(`${metadata}/task`, { signal: AbortSignal.timeout(METADATA_TIMEOUT_MS) });
      return taskId.parse(await response.json());
    } catch (error) {
      throw new Error(
        `the task id cannot be read from ${ECS_METADATA} (${describe(error)}): the files of another node would be taken for ` +
          `these; start again, or set ${flickerSettings.nodeId.env}`,
        { cause: error },
      );
    }
  }
  for (const file of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    const id = await readFile(file, 'utf8').then(
      (text) => text.trim(),
      () => '',
    );
    if (id) return id;
  }
  return hostname();
}

function describe(error: unknown): string {
  if (error instanceof z.ZodError || error instanceof SyntaxError) return 'its answer names no task';
  const cause = error instanceof Error ? error.cause : undefined;
  return errorText(cause ?? error);
}
