declare module 'taskhost:policy/log@0.1.0' {
  export function write(line: string): void;
}
