// What ends a line, moves the cursor, turns the direction of writing or can't be seen, and halves of surrogate pairs.
const unprintable = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu

/**
 * Text of somebody else's for a message: on one line, of at most `maxLength` characters before what can't be printed
 * becomes an escape (CWE-117). A name that is fine stays as it is.
 */
export function printable(text: string, maxLength = 80): string {
  return escaped(cut(text, maxLength))
}

/** The same in quotes, for values that may have blanks at their ends. */
export function inQuotes(text: string, maxLength = 80): string {
  return escaped(JSON.stringify(cut(text, maxLength)))
}

function cut(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
}

/** As JSON writes what it escapes. */
function escaped(text: string): string {
  return text.replace(unprintable, character => {
    if (character < " ") return JSON.stringify(character).slice(1, -1)
    return character.split("").map(toEscape).join("")
  })
}

function toEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
}
