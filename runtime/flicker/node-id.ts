import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';

/** Where Fargate and ECS agents tell a container about its task (task metadata endpoint version 4). */
const ECS_METADATA = 'ECS_CONTAINER_METADATA_URI_V4';
const METADATA_TIMEOUT_MS = 2000;
const task = z.looseObject({ TaskARN: z.string() });

/**
 * Whose files these are: the task id on ECS, where log volumes live as long as the task, else the machine id, else the
 * host name.
 */
export async function defaultNodeId(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const metadata = env[ECS_METADATA];
  if (metadata) {
    const response = await fetch(`${metadata}/task`, { signal: AbortSignal.timeout(METADATA_TIMEOUT_MS) });
    const id = task
      .parse(await response.json())
      .TaskARN.split('/')
      .at(-1);
    if (id) return id;
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
