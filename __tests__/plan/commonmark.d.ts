/** As far as the tests need it: https://github.com/commonmark/commonmark.js */
declare module "commonmark" {
  export interface Node {
    readonly type: string;
    readonly literal: string | null;
    readonly info: string | null;
    walker(): { next(): { readonly entering: boolean; readonly node: Node } | null };
  }
  export class Parser {
    parse(markdown: string): Node;
  }
}
