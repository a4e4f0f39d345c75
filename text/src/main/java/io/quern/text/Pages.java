package io.quern.text;

import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.IntFunction;

/** A function of code points whose values are kept, computed 256 at a time. */
final class Pages<T> {
  private final IntFunction<T> function;
  private final AtomicReferenceArray<Object[]> pages =
      new AtomicReferenceArray<>((Character.MAX_CODE_POINT >> 8) + 1);

  Pages(IntFunction<T> function) {
    this.function = function;
  }

  @SuppressWarnings("unchecked")
  T get(int codePoint) {
    Object[] page = pages.get(codePoint >> 8);
    if (page == null) {
      page = new Object[256];
      for (int i = 0; i < page.length; i++) {
        page[i] = function.apply((codePoint & ~0xFF) + i);
      }
      pages.set(codePoint >> 8, page);
    }
    return (T) page[codePoint & 0xFF];
  }
}
