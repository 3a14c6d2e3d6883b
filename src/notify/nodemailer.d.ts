/** What is used of nodemailer: types are looked at also where the package is not installed. */
declare module "nodemailer" {
  export function createTransport(options: object): {
    sendMail(mail: object): Promise<{ readonly rejected?: readonly unknown[] }>;
    close(): void;
  };
}
