import { z } from 'zod';
import { flickerConfig } from './settings';

/** The JSON Schema of the config file, for editors. */
export function flickerConfigJsonSchema(): object {
  const schema = z.toJSONSchema(flickerConfig('final'), {
    io: 'input',
    reused: 'ref',
    unrepresentable: 'any',
    // A source without a preset: the key is not there.
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type === 'undefined') jsonSchema.not = {};
    },
  });
  return { title: 'flicker config', ...schema };
}
