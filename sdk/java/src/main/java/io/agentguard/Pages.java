package io.agentguard;

import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;

/** The items of all pages, each page asked for when it is needed. */
final class Pages<P, T> implements Iterator<T> {
  private final Function<String, P> page;
  private final Function<P, List<T>> items;
  private final Function<P, String> next;
  private String token;
  private boolean circle;
  private Iterator<T> current = List.<T>of().iterator();

  Pages(String first, Function<String, P> page, Function<P, List<T>> items, Function<P, String> next) {
    this.token = first;
    this.page = page;
    this.items = items;
    this.next = next;
  }

  @Override
  public boolean hasNext() {
    while (!current.hasNext() && token != null) {
      if (circle) {
        throw Errors.malformed("a page names itself as the next", "");
      }
      P answer = page.apply(token);
      String following = next.apply(answer);
      circle = !following.isEmpty() && following.equals(token);
      token = following.isEmpty() ? null : following;
      current = items.apply(answer).iterator();
    }
    return current.hasNext();
  }

  @Override
  public T next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    return current.next();
  }
}
