// C on a plane, from what is computed beforehand: coefficients of the point and of each image, [origin, along, across].
// This text is compiled twice, with $F as Math.fround and as nothing, and run by the page and by its workers.

function costOn(A, cost, details, numbers) {
  const points = A.from(numbers.points),
    images = A.from(numbers.images);
  const ofPoint = A.from(numbers.ofPoint),
    ofImages = A.from(numbers.ofImages);
  const m = cost.point[0].length,
    k = cost.image[0].length,
    s = cost.image[1].length,
    n = numbers.n;

  function goTo(program, a, b) {
    const [moving, still, along, across] = program.point;
    for (let j = 0; j < m; j++) moving[j] = $F($F(points[j] + $F(a * points[m + j])) + $F(b * points[2 * m + j]));
    still.set(ofPoint);
    if (along) {
      along.set(points.subarray(m, 2 * m));
      across.set(points.subarray(2 * m));
    }
    program.atPoint();
  }

  function take(program, i, a, b) {
    const moving = program.image[0],
      still = program.image[1],
      first = 3 * k * i;
    for (let j = first, t = 0; t < k; j++, t++)
      moving[t] = $F($F(images[j] + $F(a * images[j + k])) + $F(b * images[j + 2 * k]));
    for (let j = s * i, t = 0; t < s; j++, t++) still[t] = ofImages[j];
    if (program.image.length > 2) {
      const along = program.image[2],
        across = program.image[3];
      for (let j = first + k, t = 0; t < k; j++, t++) {
        along[t] = images[j];
        across[t] = images[j + k];
      }
    }
    program.atImage();
  }

  // the mean over the images that are on, in sums of 64, so that rounding does not grow with their number
  function mean(program, results, a, b, on) {
    ((a = $F(a)), (b = $F(b)));
    goTo(program, a, b);
    const sums = results.map(() => 0),
      parts = results.map(() => 0);
    let count = 0;
    for (let i = 0; i < n; i++) {
      if (!on[i]) continue;
      take(program, i, a, b);
      for (let r = 0; r < results.length; r++) parts[r] = $F(parts[r] + results[r][0]);
      if (++count % 64 === 0)
        for (let r = 0; r < results.length; r++) {
          sums[r] = $F(sums[r] + parts[r]);
          parts[r] = 0;
        }
    }
    return sums.map((sum, r) => $F($F(sum + parts[r]) / count));
  }

  const [of, outputs, along, across] = details.results;
  return {
    at: (a, b, on) => mean(cost, cost.results, a, b, on)[0],
    slope: (a, b, on) => mean(details, [of, along, across], a, b, on), // C and its two derivatives
    each(a, b) {
      ((a = $F(a)), (b = $F(b)));
      goTo(cost, a, b);
      return Float64Array.from({ length: n }, (_, i) => {
        take(cost, i, a, b);
        return cost.results[0][0];
      });
    },
    one(i, a, b) {
      ((a = $F(a)), (b = $F(b)));
      goTo(details, a, b);
      take(details, i, a, b);
      return { cost: of[0], outputs: Array.from(outputs), slope: [along[0], across[0]] };
    },
  };
}
