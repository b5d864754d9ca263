import { runCommand } from '../dev/commands';

// `npm run bench -- <what> [options]`: measured claims. bench/README.md has the figures.
void runCommand('bench', {
  ha: async () => (await import('./ha')).benchHa,
  flicker: async () => (await import('./flicker')).benchFlicker,
});
