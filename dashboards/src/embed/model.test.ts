import { describe, expect, it } from 'vitest';
import { homeOf, panelsOf, readPanel, readPixels, snippetOf } from './model.ts';

describe('a panel for another page', () => {
  it('is one of a few, of a size that a page can have', () => {
    expect([readPanel('heatmap'), readPanel('header'), readPanel(null)]).toEqual(['heatmap', null, null]);
    expect(['400', '1e9', '-5', '12.5', '', null, 'x'].map((text) => readPixels(text, 320))).toEqual([
      400, 320, 320, 320, 320, 320, 320,
    ]);
    expect(panelsOf('status')).toEqual([]);
    expect(panelsOf('matrix').map(homeOf)).toEqual(['/matrix']);
    const query = new URLSearchParams({ rows: 'network', sort: 'x/y/z', agent: 'a', q: 'gone' });
    const snippet = { panel: 'matrix', width: 900, height: 500, title: 't' } as const;
    expect(snippetOf('http://h:1', query, snippet)).toContain(
      'panel=matrix&amp;agent=a&amp;rows=network&amp;sort=x/y/z&amp;width=900',
    );
    expect(snippetOf('http://h:1', query, { ...snippet, panel: 'ranking' })).not.toContain('rows=');
  });

  it('is HTML that no name breaks out of, with what the view shows and nothing of its screen', () => {
    const query = new URLSearchParams({
      agent: 'a"><script>',
      zone: 'x/y/z',
      from: '2026-11-25T15:00:00Z',
      box: 'gone',
      refresh: '1',
    });
    const snippet = snippetOf('http://h:1', query, {
      panel: 'loss',
      width: 600,
      height: 200,
      title: '<b>"&',
    });
    expect(snippet).toBe(
      '<iframe src="http://h:1/embed?panel=loss&amp;agent=a%22%3E%3Cscript%3E&amp;zone=x/y/z&amp;from=2026-11-25T15:00:00Z' +
        '&amp;width=600&amp;height=200" width="600" height="200" title="&lt;b&gt;&quot;&amp;" loading="lazy"></iframe>',
    );
  });
});
