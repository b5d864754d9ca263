/** `npm run bench -- <what> [options]`: measured claims. bench/README.md has the figures. */
const benches: Readonly<Record<string, () => Promise<(args: string[]) => Promise<number>>>> = {
  flicker: async () => (await import('./flicker')).benchFlicker,
};

async function main([what, ...args]: string[]): Promise<number> {
  const load = benches[what ?? ''];
  if (!load) {
    console.error(`npm run bench -- ${Object.keys(benches).join('|')} [options]`);
    return 2;
  }
  return await (
    await load()
  )(args);
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
