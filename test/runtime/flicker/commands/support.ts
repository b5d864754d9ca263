import { run } from '../../../../runtime/flicker/cli';

/** What a call of the command line came to. */
export interface Called {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Calls flicker in this process. */
export async function flicker(args: readonly string[], env: Record<string, string> = {}): Promise<Called> {
  let [out, err] = ['', ''];
  const stdout = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const stderr = jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  try {
    return { code: await run(['node', 'flicker', ...args], env), out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}
