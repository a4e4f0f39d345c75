package io.quern.cuda.ptx;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The kernels of a PTX text, apart from each other. A driver compiles all that it is given, for
 * seconds where a file has many kernels, of which a process uses few. Immutable.
 */
public final class PtxKernels {
  private static final Pattern ENTRY =
      Pattern.compile("^(?:\\.visible )?\\.entry (\\w+)", Pattern.MULTILINE);

  private final List<Part> parts;

  /** A part of the text: one kernel, or what belongs to all of them and has no name. */
  private record Part(String kernel, String text) {}

  private PtxKernels(List<Part> parts) {
    this.parts = parts;
  }

  /** The kernels of a text. */
  public static PtxKernels of(String text) {
    List<Part> parts = new ArrayList<>();
    Matcher entry = ENTRY.matcher(text);
    int at = 0;
    while (entry.find(at)) {
      parts.add(new Part("", text.substring(at, entry.start())));
      at = endOfBody(text, entry.end());
      parts.add(new Part(entry.group(1), text.substring(entry.start(), at)));
    }
    parts.add(new Part("", text.substring(at)));
    return new PtxKernels(parts);
  }

  /** Where the next block in braces ends. Comments may have any braces. */
  private static int endOfBody(String text, int from) {
    int depth = 0;
    for (int at = from; at < text.length(); at++) {
      char c = text.charAt(at);
      if (c == '/' && text.startsWith("//", at)) {
        int end = text.indexOf('\n', at);
        at = end < 0 ? text.length() : end;
      } else if (c == '{') {
        depth++;
      } else if (c == '}' && --depth == 0) {
        return at + 1;
      }
    }
    throw new IllegalArgumentException("ptx: a kernel has no end");
  }

  /** Names of the kernels, in order. */
  public List<String> names() {
    return parts.stream().map(Part::kernel).filter(name -> !name.isEmpty()).toList();
  }

  /** The text without the other kernels; empty when there is none of that name. */
  public Optional<String> only(String kernel) {
    if (!names().contains(kernel)) {
      return Optional.empty();
    }
    StringBuilder text = new StringBuilder();
    for (Part part : parts) {
      if (part.kernel.isEmpty() || part.kernel.equals(kernel)) {
        text.append(part.text);
      }
    }
    return Optional.of(text.toString());
  }
}
