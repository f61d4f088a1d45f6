declare module 'taskhost:policy/random@0.1.0' {
  export function next(): number;
}
