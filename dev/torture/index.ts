import { runCommand } from '../commands';

// `npm run torture -- <what> [options]`: long seeded runs that try to make a part lose or repeat something.
void runCommand('torture', {
  registry: async () => (await import('./registry')).tortureRegistry,
  ha: async () => (await import('./ha')).tortureHa,
  flicker: async () => (await import('./flicker')).tortureFlicker,
});
