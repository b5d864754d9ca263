import { z } from 'zod';
import { strictObject } from '../../settings';

/** HTTP basic credentials. */
export const basic = () =>
  strictObject({
    username: z.string().describe('User name.'),
    password: z.string().describe('Password; use `${NAME}` to take it from a variable.'),
  });

/** Whether records carry their id. */
export const includeId = () =>
  z
    .boolean()
    .default(true)
    .describe('Send the field `id` with every record. `false` sends exactly the fields `path` and `line`.');

/** Region of an AWS resource. */
export const awsRegion = (what: string) =>
  z.string().optional().describe(`Region of ${what}; the program's own by default.`);
