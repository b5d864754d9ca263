import { createPublicKey, randomUUID, verify } from 'node:crypto';

/** Access tokens that expire, and that can be made to. */
export class Tokens {
  private readonly issued = new Map<string, number>();

  constructor(
    private readonly now: () => number,
    readonly lifetimeS: number,
  ) {}

  issue(): string {
    const token = randomUUID();
    this.issued.set(token, this.now() + this.lifetimeS * 1000);
    return token;
  }

  /** Whether an Authorization header holds a token that is still good. */
  accepts(authorization: string | undefined): boolean {
    const until = this.issued.get(/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '');
    return until !== undefined && this.now() < until;
  }

  expire(): void {
    this.issued.clear();
  }
}

export interface JwtRules {
  /** PEM of the key that belongs to the signer's. */
  readonly publicKey: string;
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
  readonly scope?: string;
  readonly now: number;
}

/** Why a signed JWT (RS256) is refused, in words; undefined when it is good. Longer than an hour is none. */
export function jwtProblem(jwt: string, rules: JwtRules): string | undefined {
  const [head = '', payload = '', signature = ''] = jwt.split('.');
  const header = decoded(head);
  const claims = decoded(payload);
  if (!header || !claims) return 'not a JWT';
  if (header['alg'] !== 'RS256') return `alg ${String(header['alg'])}`;
  const key = createPublicKey(rules.publicKey);
  if (!verify('RSA-SHA256', Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, 'base64url')))
    return 'Invalid JWT Signature.';
  const { iss, sub, aud, iat, exp, scope } = claims;
  if (iss !== rules.issuer) return 'wrong iss';
  if (sub !== rules.subject) return 'wrong sub';
  if (aud !== rules.audience) return 'wrong aud';
  if (rules.scope !== undefined && scope !== rules.scope) return 'wrong scope';
  const seconds = rules.now / 1000;
  if (typeof iat !== 'number' || typeof exp !== 'number') return 'iat and exp are needed';
  if (iat > seconds + 60) return 'iat lies in the future';
  if (exp <= seconds || exp > iat + 3600) return 'exp has passed or lies more than an hour after iat';
  return undefined;
}

function decoded(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** The field of a body that was sent, as text. */
export function field(body: unknown, name: string): string | undefined {
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  return typeof value === 'string' ? value : undefined;
}
