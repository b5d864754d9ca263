/** `npm run torture -- <what> [options]`: long seeded runs that try to make a part lose or repeat something. */
const tortures: Readonly<Record<string, () => Promise<(args: string[]) => Promise<number>>>> = {
  registry: async () => (await import('./registry')).tortureRegistry,
  flicker: async () => (await import('./flicker')).tortureFlicker,
};

async function main([what, ...args]: string[]): Promise<number> {
  const load = tortures[what ?? ''];
  if (!load) {
    console.error(`npm run torture -- ${Object.keys(tortures).join('|')} [options]`);
    return 2;
  }
  return await (
    await load()
  )(args);
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
