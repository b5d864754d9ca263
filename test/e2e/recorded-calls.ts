import { z } from 'zod';
import type { AwsCall } from '../../contract';

const awsCallLine = z.looseObject({
  event: z.literal('aws.call'),
  operation: z.string(),
  bucket: z.string(),
  key: z.string().optional(),
  prefix: z.string().optional(),
});
type RecordedCall = z.output<typeof awsCallLine>;

/** The calls to AWS that a program at level debug has logged. */
export function recordedCalls(lines: readonly string[]): RecordedCall[] {
  return lines.flatMap((line) => {
    const parsed = awsCallLine.safeParse(parseLine(line));
    return parsed.success ? [parsed.data] : [];
  });
}

/** Whether a call of the contract is the one that was made. */
export function covers({ operation, resource }: AwsCall, call: RecordedCall): boolean {
  if (!('bucket' in resource) || operation !== call.operation || resource.bucket !== call.bucket) return false;
  const [pattern, value] =
    resource.type === 's3-object' ? [resource.key, call.key ?? ''] : [resource.prefix, call.prefix ?? ''];
  return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern;
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // not a log line of the program
  }
}
