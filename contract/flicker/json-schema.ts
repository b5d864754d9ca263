import { z } from 'zod';
import { flickerConfig } from './settings';

/** The JSON Schema of the config file, for editors. */
export function flickerConfigJsonSchema(): object {
  return { title: 'flicker config', ...z.toJSONSchema(flickerConfig('final'), { io: 'input' }) };
}
