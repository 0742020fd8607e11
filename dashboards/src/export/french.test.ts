import { describe, expect, it } from 'vitest';
import { frenchCsv, readCsv } from './french.ts';

describe('a table for a French spreadsheet', () => {
  it('has French heads, semicolons and decimal commas, and leaves names alone', () => {
    const text =
      'agent,zone,n,loss_ratio,baseline_p50_us,shift_p50_us,clock\r\n1.5,"aws/eu, west",300,0.0133,900,-1.5,kernel\r\n';
    expect(frenchCsv(text)).toBe(
      '\ufeffagent;zone;n;taux_de_perte;référence_p50_us;écart_p50_us;horloge\r\n' +
        '1.5;aws/eu, west;300;0,0133;900;-1,5;kernel\r\n',
    );
    expect(frenchCsv('agent,p\r\na,1e-7\r\n')).toContain('a;1e-7');
  });

  it('makes no formula of a name and no second cell of a semicolon', () => {
    const hostile = 'agent,city,n\r\n"=HYPERLINK(""http://x"";""y"")",+33,-4\r\n';
    expect(frenchCsv(hostile).split('\r\n')[1]).toBe(`"'=HYPERLINK(""http://x"";""y"")";'+33;-4`);
    expect(frenchCsv('city\r\n@a;b\r\n').split('\r\n')[1]).toBe(`"'@a;b"`);
  });

  it('reads what RFC 4180 allows', () => {
    expect(readCsv('a,b\r\n"x\r\ny","q""q"\r\n,\r\n')).toEqual([
      ['a', 'b'],
      ['x\r\ny', 'q"q'],
      ['', ''],
    ]);
    expect(readCsv('a')).toEqual([['a']]);
    expect(readCsv('')).toEqual([]);
  });
});
