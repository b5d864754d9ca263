/** What is wrong with a set of props, told so that it can be put right without reading the source. */
export interface Problem {
  /** The prop or config key, and what is wrong with it. */
  readonly what: string;
  readonly got: string;
  readonly expected: string;
  readonly fix: string;
}

/** One line of a problem, for an error or a synth-time validation. */
export function describeProblem({ what, got, expected, fix }: Problem): string {
  return `${what}: got ${got}, expected ${expected}; ${fix}`;
}

/** An error for props that cannot work. */
export function problem(facts: Problem): Error {
  return new Error(describeProblem(facts));
}
