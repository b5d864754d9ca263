import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { KubeApi } from '../../dev/kube/api';
import { kubeTool } from '../../dev/kube/control-plane';
import type { Manifest } from '../lib/support/manifests';

/** Asks until an answer is there. @throws Error that holds what was found last */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, last: () => Promise<unknown>) {
  for (const until = Date.now() + 30_000; Date.now() < until; await sleep(100)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error(`${what} did not come about within 30 s: ${JSON.stringify(await last())}`);
}

/** Applies for good, and asks for no warning. */
export async function applied(api: KubeApi, manifest: Manifest): Promise<void> {
  const { status, body, warnings } = await api.apply(manifest, { dryRun: false });
  if (status >= 300 || warnings.length > 0) {
    throw new Error(`${manifest.kind}/${manifest.metadata.name}: ${status} ${JSON.stringify({ warnings, body })}`);
  }
}

/** What a dry run says of a manifest; nothing is good. */
export async function dryRun(api: KubeApi, manifest: Manifest): Promise<string[]> {
  const { status, body, warnings } = await api.apply(manifest, { dryRun: true });
  const { message } = z.looseObject({ message: z.string().optional() }).parse(body);
  const id = `${manifest.kind}/${manifest.metadata.name}`;
  return [...(status < 300 ? [] : [`${id}: ${status} ${message}`]), ...warnings.map((text) => `${id}: ${text}`)];
}

/** Runs a program to its end. */
export function run(tool: string, args: readonly string[], input?: string): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(kubeTool(tool) ?? tool, args, { encoding: 'utf8', input });
  return { status, output: `${stdout}${stderr}` };
}
