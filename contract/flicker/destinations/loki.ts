import { z } from 'zod';
import { httpUrl, strictObject, type SettingsMode } from '../../settings';
import { basic, bearer, delivery, httpSettings } from './common';

/** Most labels of a stream that Loki takes by default. */
const MAX_LABELS = 15;

/** Streams of Loki. */
export function lokiDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('loki'),
    endpoint: httpUrl(mode).describe('Address of Loki; `/loki/api/v1/push` is added.'),
    tenant: z.string().min(1).optional().describe('Sent as `X-Scope-OrgID`.'),
    labels: z
      .record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, { error: 'expected a label name' }), z.string().min(1))
      .default({ job: 'flicker' })
      .describe('Labels of every stream.'),
    label_attributes: z
      .array(z.string().min(1))
      .default([])
      .describe(
        'Attributes that become labels, such as `k8s.namespace.name` (label `k8s_namespace_name`); `path` is one of them. Each combination of values is a stream: choose attributes with few values.',
      ),
    structured_metadata: z
      .boolean()
      .default(true)
      .describe('Send `id`, `path` and all other attributes as structured metadata (Loki 3, or schema v13).'),
    basic: basic().optional().describe('HTTP basic credentials.'),
    auth: bearer().optional().describe('A bearer token; wins over `basic`.'),
    ...httpSettings(mode, true),
    ...delivery(mode),
  })
    .refine((loki) => Object.keys(loki.labels).length > 0 || loki.label_attributes.includes('path'), {
      error: 'Loki answers 204 to an event without a label, and drops it: set labels, or name path in label_attributes',
    })
    .refine((loki) => Object.keys(loki.labels).length + loki.label_attributes.length <= MAX_LABELS, {
      error: `labels and label_attributes can be ${MAX_LABELS} together at most`,
    });
}
