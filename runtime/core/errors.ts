/** The code of a system or network error, such as `ENOSPC`; empty when it has none. */
export function errorCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

/** What an error says, for people: code and message. Those of system and network errors name paths, hosts and ports, no more. */
export function errorText(error: unknown): string {
  const code = errorCode(error);
  const own = typeof error === 'object' && error !== null ? error : { message: String(error) };
  const name = 'name' in own && typeof own.name === 'string' ? own.name : 'error';
  const message = 'message' in own && typeof own.message === 'string' ? own.message : '';
  // Several addresses were tried: the first failure speaks for all.
  if (message === '' && 'errors' in own && Array.isArray(own.errors)) return errorText(own.errors[0]);
  if (message === '') return code || name;
  return code === '' || message.includes(code) ? message : `${code}: ${message}`;
}
