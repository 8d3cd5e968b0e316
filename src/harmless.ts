/** Everything that could steer a terminal, or pass for another line, made visible. */
export const harmlessLine = (text: string): string =>
  text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

/** The same for a text of several lines, which stay lines. */
export const harmless = (text: string): string => text.split('\n').map(harmlessLine).join('\n');
