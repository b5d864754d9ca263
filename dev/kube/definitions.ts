import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { KubeApi, KubeObject } from './api';

const state = z.looseObject({
  status: z.looseObject({ conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).nullish() }),
});

/** Adds custom resource definitions, and waits until their kinds are served. */
export async function establish(api: KubeApi, definitions: readonly KubeObject[]): Promise<void> {
  for (const definition of definitions) {
    const { status, body } = await api.apply(definition, { dryRun: false });
    if (status >= 300) throw new Error(`${definition.metadata.name}: ${status} ${JSON.stringify(body)}`);
  }
  const established = async (definition: KubeObject) =>
    state
      .parse(await api.get(definition))
      .status.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
  for (const definition of definitions) while (!(await established(definition))) await sleep(100);
}
