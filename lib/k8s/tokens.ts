import { Reference, Token, Tokenization } from 'aws-cdk-lib';
import type { IResolver, ResolutionContext } from 'cdk8s';

const advice =
  'a literal manifest cannot hold it: write the value, give the resource a name of its own, or deliver the chart with manifestsAsset';

/**
 * Refuses values that are known only when a CDK stack is deployed, in every chart of a cdk8s app:
 * `new App({ resolvers: [new RefuseTokens()] })`. The charts of this package do it by themselves.
 */
export class RefuseTokens implements IResolver {
  resolve({ obj, key, value }: ResolutionContext): void {
    if (Token.isUnresolved(value)) throw new Error(describeToken(`${obj.kind}/${obj.name}`, key.join('.')));
  }
}

/** One line for each field of a manifest that holds a CDK token. */
export function tokenProblems(manifest: {
  readonly kind: string;
  readonly metadata: { readonly name?: string };
}): string[] {
  return tokenFields(manifest).map((field) => describeToken(`${manifest.kind}/${manifest.metadata.name}`, field));
}

const complaint = 'holds a CDK token, whose value is known only when its stack is deployed';

/** Says what to do about a token in a field of an object. */
export function describeToken(object: string, field: string): string {
  return `${object}: ${field} ${complaint}; ${advice}`;
}

/** Whether a problem is one of those. */
export function isTokenProblem(problem: string): boolean {
  return problem.includes(complaint);
}

/** Paths of the fields of a value that hold a CDK token. */
export function tokenFields(value: unknown, field = ''): string[] {
  if (Token.isUnresolved(value)) return [field];
  if (Array.isArray(value)) return value.flatMap((item, index) => tokenFields(item, `${field}[${index}]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const path = field ? `${field}.${key}` : key;
    return Token.isUnresolved(key) ? [path] : tokenFields(item, path);
  });
}

/** The text with each token by the path of what it refers to, which does not change from synth to synth as its number does. */
export function stableText(text: string): string {
  if (!Token.isUnresolved(text)) return text;
  return String(
    Tokenization.reverseString(text)
      .mapTokens({
        mapToken: (token) =>
          Reference.isReference(token) ? `<${token.target.node.path}.${token.displayName}>` : '<token>',
      })
      .join({ join: (left: unknown, right: unknown) => `${String(left)}${String(right)}` }),
  );
}
