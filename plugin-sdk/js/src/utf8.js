// Text to bytes and back: the component's runtime has no TextEncoder. Half of a surrogate pair becomes U+FFFD, as
// do bytes that are no UTF-8.

/** How many bytes a text has. */
export function length(text) {
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 4;
      i += 1;
    } else bytes += 3;
  }
  return bytes;
}

/** A text as bytes. */
export function encode(text) {
  const bytes = new Uint8Array(length(text));
  let at = 0;
  for (const character of text) {
    let point = character.codePointAt(0);
    if (point >= 0xd800 && point < 0xe000) point = 0xfffd;
    if (point < 0x80) bytes[at++] = point;
    else {
      const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
      bytes[at++] = [0, 0xc0, 0xe0, 0xf0][more] | (point >> (6 * more));
      for (let i = more - 1; i >= 0; i -= 1) bytes[at++] = 0x80 | ((point >> (6 * i)) & 0x3f);
    }
  }
  return bytes;
}

/** Bytes as text. */
export function decode(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i++];
    if (first < 0x80) {
      text += String.fromCharCode(first);
      continue;
    }
    const more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc2 && first < 0xe0 ? 1 : 0;
    let point = more === 0 ? -1 : first & (0x3f >> more);
    for (let left = more; left > 0; left -= 1) {
      if ((bytes[i] & 0xc0) !== 0x80) {
        point = -1;
        break;
      }
      point = (point << 6) | (bytes[i++] & 0x3f);
    }
    const least = [0, 0x80, 0x800, 0x10000][more];
    const sound = point >= least && point < 0x110000 && (point < 0xd800 || point >= 0xe000);
    text += sound ? String.fromCodePoint(point) : "\ufffd";
  }
  return text;
}
