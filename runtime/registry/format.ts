import { z } from 'zod';
import { REGISTRY_FORMAT } from '../../contract/registry';

/** What a program keeps in the registry: top-level fields of the object besides the registry's own. */
export type State = Readonly<Record<string, unknown>>;

const count = z.number().int().nonnegative();

const lease = z.looseObject({
  epoch: count,
  owner: z.string().min(1),
  host: z.string(),
  seq: count,
  /** Closed: nobody may take it over. It was moved, or is a copy that is not complete. */
  state: z.enum(['held', 'released', 'closed']),
  ttlMs: count,
  renewMs: count,
  /** The owner runs with standbys: it stops by itself before its lease is over. */
  ha: z.boolean().optional(),
  /** Of a closed one: where the registry is now. */
  movedTo: z.string().optional(),
  /** The registry that this one was copied from, and the epoch that it was closed with. */
  copyOf: z.looseObject({ location: z.string(), epoch: count }).optional(),
});
export type Lease = z.infer<typeof lease>;

const header = z.looseObject({
  format: z.literal(REGISTRY_FORMAT),
  clusterId: z.string(),
  configHash: z.string(),
  lease,
  writerVersion: z.string(),
  savedAt: z.string(),
});
const ownFields: readonly string[] = ['format', 'clusterId', 'configHash', 'lease', 'writerVersion', 'savedAt'];

/** One version of the registry object. */
export interface RegistryDocument {
  readonly clusterId: string;
  readonly configHash: string;
  readonly lease: Lease;
  readonly writerVersion: string;
  /** RFC 3339; information only, never used for decisions. */
  readonly savedAt: string;
  readonly state: State;
}

export type Parsed =
  | { readonly kind: 'current'; readonly document: RegistryDocument }
  /** A file of format 1: `{version: 1, files, containers, api_sources}`. */
  | { readonly kind: 'version-1'; readonly json: Readonly<Record<string, unknown>> }
  | { readonly kind: 'newer'; readonly format: number }
  | { readonly kind: 'invalid'; readonly reason: string };

const anyFormat = z.looseObject({ format: z.number().optional(), version: z.number().optional() });

export function parseDocument(bytes: Uint8Array): Parsed {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return { kind: 'invalid', reason: bytes.length === 0 ? 'it is empty' : `it is not JSON (${bytes.length} bytes)` };
  }
  const outline = anyFormat.safeParse(json);
  if (!outline.success) return { kind: 'invalid', reason: 'it is not an object with a format number' };
  const { format, version } = outline.data;
  if (format === undefined && version === 1) return { kind: 'version-1', json: outline.data };
  if (format !== undefined && format > REGISTRY_FORMAT) return { kind: 'newer', format };
  const parsed = header.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return {
      kind: 'invalid',
      reason: `${issue?.path.join('.') || 'the object'}: ${issue?.message ?? 'not a registry'}`,
    };
  }
  const { clusterId, configHash, lease: held, writerVersion, savedAt } = parsed.data;
  const state = Object.fromEntries(Object.entries(parsed.data).filter(([name]) => !ownFields.includes(name)));
  return { kind: 'current', document: { clusterId, configHash, lease: held, writerVersion, savedAt, state } };
}

/** @throws Error when the state uses a field name of the registry's own */
export function serializeDocument(document: RegistryDocument): Uint8Array {
  const { state, clusterId, configHash, lease: held, writerVersion, savedAt } = document;
  const clash = Object.keys(state).find((name) => ownFields.includes(name));
  if (clash !== undefined) throw new Error(`the state may not have a field "${clash}": it is the registry's own`);
  return Buffer.from(
    JSON.stringify({ format: REGISTRY_FORMAT, clusterId, configHash, lease: held, ...state, writerVersion, savedAt }),
  );
}
