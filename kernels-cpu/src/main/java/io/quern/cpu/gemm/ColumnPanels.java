package io.quern.cpu.gemm;

import java.util.Arrays;

/**
 * The columns of a matrix in panels, each as wide as the tiles of a micro-kernel: of three vectors
 * a row, which need fewer loads for each product, and of two where those leave columns over. Both
 * halves of the panels are alike wherever possible, for threads that share them. Immutable and
 * thread-safe.
 */
public final class ColumnPanels {
  /** Columns of a vector, of which tiles have two or three. */
  private static final int VECTOR = 16;

  private final MicroKernel[] micros;

  /** First columns of all panels, and what follows the last. */
  private final int[] firsts;

  private final int most;

  private ColumnPanels(MicroKernel[] micros) {
    this.micros = micros;
    this.firsts = new int[micros.length + 1];
    for (int p = 0; p < micros.length; p++) {
      firsts[p + 1] = firsts[p] + micros[p].columns();
    }
    this.most = Arrays.stream(micros).mapToInt(MicroKernel::columns).max().orElse(0);
  }

  /** Panels of one width for so many columns. */
  public static ColumnPanels even(MicroKernel micro, long columns) {
    long count = (columns + micro.columns() - 1) / micro.columns();
    MicroKernel[] micros = new MicroKernel[Math.toIntExact(count)];
    Arrays.fill(micros, micro);
    return new ColumnPanels(micros);
  }

  /** Panels of both widths for so many columns. */
  public static ColumnPanels mixed(int columns) {
    MicroKernel narrow = MicroKernel.chosen();
    MicroKernel wide = MicroKernel.wide();
    int vectors = (columns + VECTOR - 1) / VECTOR;
    if (wide.columns() == narrow.columns() || vectors < 3) {
      return even(narrow, columns);
    }
    boolean hasHalves = vectors % 2 == 0;
    int half = hasHalves ? vectors / 2 : vectors;
    int wides = half / 3 - (half / 3 + half) % 2;
    int ofHalf = wides + (half - 3 * wides) / 2;
    MicroKernel[] micros = new MicroKernel[hasHalves ? 2 * ofHalf : ofHalf];
    for (int p = 0; p < micros.length; p++) {
      int at = p % ofHalf;
      micros[p] = (at + 1) * wides / ofHalf > at * wides / ofHalf ? wide : narrow;
    }
    return new ColumnPanels(micros);
  }

  /** How many panels there are. */
  public int count() {
    return micros.length;
  }

  /** What multiplies a panel. */
  public MicroKernel micro(int panel) {
    return micros[panel];
  }

  /** First column of a panel. */
  public int first(int panel) {
    return firsts[panel];
  }

  /** Columns of a panel, of which the last may have some that the matrix lacks. */
  public int columns(int panel) {
    return firsts[panel + 1] - firsts[panel];
  }

  /** Columns of the widest panel. */
  public int mostColumns() {
    return most;
  }

  /** Columns of all panels. */
  public int allColumns() {
    return firsts[micros.length];
  }

  /** Name of the micro-kernel of the widest panels. */
  public String microName() {
    return Arrays.stream(micros)
        .filter(micro -> micro.columns() == most)
        .map(MicroKernel::name)
        .findFirst()
        .orElseGet(MicroKernel.chosen()::name);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ColumnPanels panels && Arrays.equals(firsts, panels.firsts);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(firsts);
  }
}
