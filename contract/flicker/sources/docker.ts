import { z } from 'zod';
import { strictObject, type SettingsMode } from '../../settings';
import { commonKeys } from './common';
import { multilineSchema } from './multiline';

/** The variable in which Docker's own tools are told where the daemon is. */
export const dockerHostVariable = 'DOCKER_HOST';
/** Where the daemon listens, when nobody says otherwise. */
export const dockerSocket = '/var/run/docker.sock';

/** One `docker_containers` entry: containers of the Docker daemon on this machine. */
export function dockerContainerSchema(mode: SettingsMode) {
  return strictObject({
    container: z
      .string()
      .min(1)
      .optional()
      .describe('Name or id of a container, or a glob over names such as `web-*`. All that have `labels` by default.'),
    name: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Name in metrics, logs and object keys; `container` by default. Without `container` and `labels` it is the container.',
      ),
    labels: z
      .array(z.string().min(1))
      .default([])
      .describe('Labels that a container must have, each `key` or `key=value`.'),
    socket_path: z
      .string()
      .min(1)
      .optional()
      .describe(
        `Socket of the Docker daemon; by default that of \`${dockerHostVariable}\` (\`unix://…\`), else \`${dockerSocket}\`.`,
      ),
    start_at: z
      .enum(['end', 'beginning'])
      .default('end')
      .describe(
        'Where to start in a container that is there at the very first start. Later ones are read from their beginning.',
      ),
    multiline: multilineSchema(mode).optional().describe('Joins lines to events; each line is one by default.'),
    ...commonKeys(mode, 2000),
  }).superRefine(({ container, name, labels }, context) => {
    if (container !== undefined || name !== undefined || labels.length > 0) return;
    const message = 'which containers: give container (name, id or glob) or labels';
    context.addIssue({ code: 'custom', path: ['container'], input: undefined, message });
  });
}

interface Selection {
  readonly container?: string | undefined;
  readonly name?: string | undefined;
  readonly labels: readonly string[];
}

/** Name, id or glob of the containers; undefined for all. */
export function containerOf({ container, name, labels }: Selection): string | undefined {
  return container ?? (labels.length > 0 ? undefined : name);
}

/** The name of the source. */
export function dockerSourceName({ container, name, labels }: Selection): string {
  return name ?? container ?? labels.join(',');
}
