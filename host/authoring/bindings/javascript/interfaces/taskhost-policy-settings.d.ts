declare module 'taskhost:policy/settings@0.1.0' {
  /**
   * Absent only if `about` doesn't declare it; empty if it was given no value. Durations are milliseconds
   * in decimal.
   */
  export function get(name: string): string | undefined;
}
